{{ samespace.cluster_labels(ref('note_clusters'), ref('note_embeddings_by_model'), terms=2, text='body', key='note_id') }}

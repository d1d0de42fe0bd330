{{ samespace.knn(ref('note_embeddings_by_model'), k=1, method='sql', key='note_id') }}

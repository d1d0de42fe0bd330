{{ samespace.search(ref('note_embeddings'), query_key='n01', k=2, key='note_id') }}

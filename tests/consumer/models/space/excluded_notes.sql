{{ samespace.excluded_rows(ref('note_embeddings_by_model'), model='letters') }}

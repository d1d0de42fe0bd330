{{ samespace.recall_check(ref('note_embeddings_by_model'), k=2, queries=10) }}

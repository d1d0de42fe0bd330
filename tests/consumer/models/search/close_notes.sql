{{ samespace.within_threshold(ref('note_embeddings'), threshold=0.8, method='sql', key='note_id') }}

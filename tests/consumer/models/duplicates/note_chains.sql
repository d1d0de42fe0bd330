{{ samespace.duplicates(ref('note_embeddings'), threshold=0.8, linkage='components', order_by='body desc', key='note_id') }}

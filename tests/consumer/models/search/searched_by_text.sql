{{ samespace.search(ref('note_embeddings'), 'the door is locked', k=3) }}

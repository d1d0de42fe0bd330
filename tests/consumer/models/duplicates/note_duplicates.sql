{{ config(materialized='table') }}

{{ samespace.duplicates(ref('note_embeddings_by_model'), threshold={'letters': 0.8, 'words': 0.9}, key='note_id') }}

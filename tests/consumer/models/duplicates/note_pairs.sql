{{ config(materialized='table') }}

{{ samespace.duplicate_pairs(ref('note_embeddings_by_model'), threshold=0.8, key='note_id') }}

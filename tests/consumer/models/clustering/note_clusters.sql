{{ config(materialized='table') }}

{{ samespace.clusters(ref('note_embeddings_by_model'), k=3, previous=this, key='note_id') }}

{{ config(materialized='table') }}

{{ samespace.knn(ref('note_embeddings_by_model'), k=2) }}

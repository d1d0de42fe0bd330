{{ config(materialized='table') }}

{{ samespace.knn(ref('note_embeddings'), ref('question_embeddings_twin'), k=2) }}

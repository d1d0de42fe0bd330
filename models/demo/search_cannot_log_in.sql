{{ config(materialized='table') }}

{{ samespace.search(ref('ticket_embeddings'), 'cannot log in', k=5) }}

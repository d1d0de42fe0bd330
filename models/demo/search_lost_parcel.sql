{{ config(materialized='table') }}

{{ samespace.search(ref('ticket_embeddings'), 'my delivery got lost on the way', k=5) }}

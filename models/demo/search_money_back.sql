{{ config(materialized='table') }}

{{ samespace.search(ref('ticket_embeddings'), 'how do I get my money back', k=5) }}

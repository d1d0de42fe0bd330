{{ config(materialized='table') }}

{{ samespace.duplicates(ref('ticket_embeddings'), threshold=0.8) }}

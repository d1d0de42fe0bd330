{{ config(materialized='table') }}

{{ samespace.clusters(ref('ticket_embeddings'), k=8) }}

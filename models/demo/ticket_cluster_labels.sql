{{ config(materialized='table') }}

{{ samespace.cluster_labels(ref('ticket_clusters'), ref('ticket_embeddings'), terms=5) }}

-- Clusters hold every ticket that has a vector, and nothing else.
{{ config(enabled=(project_name == 'samespace')) }}

select
    tickets.ticket_id,
    clusters.key
from {{ ref('ticket_embeddings') }} as tickets
full join {{ ref('ticket_clusters') }} as clusters on tickets.ticket_id = clusters.key
where (tickets.embedding is not null) <> (clusters.key is not null)

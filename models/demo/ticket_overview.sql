-- What a BI tool reads: one row per ticket, plain columns only, no vector and no function call.
{{ config(materialized='view') }}

with duplicates as (

    select * from {{ ref('ticket_duplicates') }}

),

clusters as (

    select * from {{ ref('ticket_clusters') }}

),

labels as (

    select * from {{ ref('ticket_cluster_labels') }}

),

final as (

    select
        tickets.ticket_id,
        tickets.subject,
        tickets.body,
        tickets.opened_at,
        tickets.theme,
        clusters.cluster_id,
        labels.terms as cluster_terms,
        case when not duplicates.is_canonical then duplicates.canonical_key end as duplicate_of,
        tickets.model_id
    from {{ ref('ticket_embeddings') }} as tickets
    left join duplicates on tickets.ticket_id = duplicates.key
    left join clusters on tickets.ticket_id = clusters.key
    left join labels
        on clusters.cluster_id = labels.cluster_id
        and {{ samespace.same_space('clusters.model_id', 'labels.model_id') }}

)

select * from final

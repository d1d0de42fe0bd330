-- Tickets with the same body are in one group of duplicates, whatever else is in it.
{{ config(enabled=(project_name == 'samespace')) }}

select
    tickets.body,
    count(distinct duplicates.group_id) as groups,
    count(*) - count(duplicates.group_id) as left_out
from {{ ref('ticket_embeddings') }} as tickets
left join {{ ref('ticket_duplicates') }} as duplicates on tickets.ticket_id = duplicates.key
where tickets.content_hash is not null
group by tickets.body
having count(*) > 1 and (count(distinct duplicates.group_id) <> 1 or count(*) > count(duplicates.group_id))

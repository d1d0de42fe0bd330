-- The same tickets and the same 384 numbers per ticket, from another model: a different space.
{{ config(materialized='embedding', model='paraphrase', key='ticket_id', text='body') }}

select
    ticket_id,
    subject,
    body,
    opened_at,
    theme
from {{ ref('support_tickets') }}

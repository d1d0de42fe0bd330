{{ config(materialized='embedding', model='minilm', key='ticket_id', text='body') }}

select
    ticket_id,
    subject,
    body,
    opened_at,
    theme
from {{ ref('support_tickets') }}

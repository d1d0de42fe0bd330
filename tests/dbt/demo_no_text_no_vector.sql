-- A ticket without a text is kept, without a vector; every other ticket has one.
{{ config(enabled=(project_name == 'samespace')) }}

select
    ticket_id,
    body
from {{ ref('ticket_embeddings') }}
where (embedding is null) <> (coalesce(trim(body), '') = '')

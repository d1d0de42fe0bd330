{{ config(materialized='embedding', model='letters', key='note_id', text='body') }}

select note_id, subject, body
from {{ ref('notes') }}

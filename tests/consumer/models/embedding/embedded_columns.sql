{{ config(materialized='table') }}

select note_id, {{ samespace.embed_columns('letters', 'body') }}
from {{ ref('notes') }}

{{ config(materialized='table', enabled=target.type == 'duckdb') }}

select note_id, {{ samespace.embed_columns('letters', 'body') }}
from {{ ref('notes') }}

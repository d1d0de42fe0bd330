{{ config(materialized='table', enabled=target.type == 'duckdb') }}

with embedded as (
    select note_id, {{ samespace.embed('letters', 'body') }} as vector
    from {{ ref('notes') }}
)

select note_id, vector.model_id as model_id, vector.embedding as embedding
from embedded

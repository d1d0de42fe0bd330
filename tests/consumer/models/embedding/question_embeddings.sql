{{ config(materialized='embedding', model='letters', key='question_id', text='question', role='query') }}

select question_id, question
from {{ ref('questions') }}

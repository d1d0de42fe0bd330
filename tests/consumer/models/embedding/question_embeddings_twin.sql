{{ config(materialized='embedding', model='letters_twin', key='question_id', text='question', role='query') }}

select question_id, question
from {{ ref('questions') }}

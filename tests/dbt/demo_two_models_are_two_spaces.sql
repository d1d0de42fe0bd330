-- Same tickets, same dimension, no model_id in common.
{{ config(enabled=(project_name == 'samespace')) }}

select distinct minilm.model_id
from {{ ref('ticket_embeddings') }} as minilm
inner join {{ ref('ticket_embeddings_paraphrase') }} as paraphrase on minilm.model_id = paraphrase.model_id

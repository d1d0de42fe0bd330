{#-
    The SQL method of duplicates: every pair is compared, so it is for a few thousand rows, not for hundreds of thousands
    (docs/decisions/0003-duplicates-kernel.md). The rules are those of kernels/groups.py: equal vectors share the fate of
    the first of them; a row joins the most similar earlier canonical row, the earlier one at a tie. The window
    `compared` keeps the exact similarity out of the join (8 times the time): it is for the pairs that the fast one lets through.
-#}
{% macro _duplicates_by_sql(info, threshold, linkage, order_by, where) %}
{% set order = (order_by ~ ', ' if order_by else '') ~ samespace._row_order(info) %}
{% set sql %}
with recursive __samespace_usable as (
    select
        {{ info.key_sql }} as key,
        {{ info.model_id_sql }} as model_id,
        {{ samespace.space_of(info.model_id_sql) }} as space,
        {{ info.embedding_sql }} as embedding,
        row_number() over (order by {{ order }}) as place
    from {{ info.sql }}
    where {{ samespace.usable_vector(info.embedding_sql) }}{{ ' and (' ~ where ~ '\n)' if where else '' }}
),

__samespace_ranked as (
    select
        *,
        row_number() over (partition by space, key order by place) as copy_of_key
    from __samespace_usable
),

__samespace_rows as (
    select
        *,
        min(place) over (partition by space, embedding) as first_place
    from __samespace_ranked
    where copy_of_key = 1
),

__samespace_scored as (
    select
        earlier.place as earlier,
        later.place as later,
        earlier.model_id,
        {{ samespace.rounded(samespace.cosine_similarity_exact('earlier.embedding', 'later.embedding')) }} as similarity,
        count(*) over () as compared
    from __samespace_rows as earlier
    inner join __samespace_rows as later
        on {{ samespace.same_space('earlier.model_id', 'later.model_id') }}
        and earlier.place < later.place
    where earlier.place = earlier.first_place
        and later.place = later.first_place
        and {{ samespace.cosine_similarity('earlier.embedding', 'later.embedding') }}
        >= {{ samespace._threshold_sql(threshold, 'duplicates', 'earlier.model_id') }} - 0.0001
),

__samespace_edges as (
    select
        earlier,
        later,
        similarity
    from __samespace_scored
    where similarity >= {{ samespace._threshold_sql(threshold, 'duplicates', 'model_id') }}
),

{{ samespace.group_places('__samespace_edges', linkage) }},

__samespace_assigned as (
    select
        member.key,
        member.model_id,
        member.space,
        member.place,
        member.embedding,
        coalesce(found.head, member.first_place) as head
    from __samespace_rows as member
    left join __samespace_heads as found on found.place = member.first_place
),

__samespace_grouped as (
    select
        member.*,
        canonical.key as canonical_key,
        count(*) over (partition by member.head) as group_size,
        {{ samespace.rounded(samespace.cosine_similarity_exact('member.embedding', 'canonical.embedding')) }} as similarity_to_canonical
    from __samespace_assigned as member
    inner join __samespace_rows as canonical
        on canonical.place = member.head and {{ samespace.same_space('canonical.model_id', 'member.model_id') }}
),

final as (
    select
        key,
        dense_rank() over (order by space, head) as group_id,
        group_size,
        canonical_key,
        place = head as is_canonical,
        similarity_to_canonical,
        min(similarity_to_canonical) over (partition by head) as min_similarity,
        model_id
    from __samespace_grouped
    where group_size > 1
)

select * from final
{%- endset %}
{{ return(sql) }}
{% endmacro %}

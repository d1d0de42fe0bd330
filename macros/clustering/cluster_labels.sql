{#-
    What each cluster is about: cluster_id, size, terms, example_key, model_id. Terms by class-based TF-IDF: the share of
    the cluster's words times log(1 + average words per cluster / occurrences in all clusters). The example is the member
    nearest the centroid. `clusters` is the result of samespace.clusters, `relation` the embedded rows with their text.
-#}
{% macro cluster_labels(clusters, relation, terms=5, text=none, key=none) %}
    {{ return(adapter.dispatch('cluster_labels', 'samespace')(clusters, relation, terms, text, key)) }}
{% endmacro %}

{% macro default__cluster_labels(clusters, relation, terms, text, key) %}
    {% set info = samespace._as_relation(relation, 'cluster_labels', key=key, text=text) %}
    {{ samespace._check_args('cluster_labels', [{'name': 'terms', 'value': terms, 'rule': 'positive_integer'}]) }}
    {% if info.text is none %}
        {{ samespace._raise('cluster_labels', "the text column of '" ~ info.title ~ "' is not known. Pass text=<its column>.") }}
    {% endif %}
{% set sql %}
with __samespace_guard as (
    {{ samespace._labels_guard(clusters, info) }}
),

__samespace_members as (
    select
        member.key,
        member.cluster_id,
        {{ samespace.space_of('member.model_id') }} as space,
        member.model_id,
        member.similarity_to_centroid,
        rows_with_text.{{ info.text_sql or 'text' }} as text
    from (select * from {{ clusters }}) as member
    inner join (select * from {{ info.sql }}) as rows_with_text
        on rows_with_text.{{ info.key_sql }} = member.key
        and {{ samespace.exact_text('rows_with_text.' ~ info.model_id_sql) }} = {{ samespace.exact_text('member.model_id') }}
),

__samespace_words as (
    {{ samespace.unnest_words('__samespace_members', 'text', ['space', 'cluster_id']) }}
),

__samespace_counted as (
    select
        space,
        cluster_id,
        word,
        count(*) as occurrences
    from __samespace_words
    where length(word) > 1 and word not in ({{ samespace._stop_words() }})
    group by space, cluster_id, word
),

__samespace_totals as (
    select
        *,
        sum(occurrences) over (partition by space, word) as in_all_clusters,
        sum(occurrences) over (partition by space, cluster_id) as in_cluster,
        sum(occurrences) over (partition by space) as in_space
    from __samespace_counted
),

__samespace_sizes as (
    select
        space,
        cluster_id,
        count(*) as size,
        min({{ samespace.sort_key('model_id', 'text') }}) as model_id
    from __samespace_members
    group by space, cluster_id
),

__samespace_space_sizes as (
    select
        space,
        count(*) as clusters
    from __samespace_sizes
    group by space
),

__samespace_scored as (
    select
        total.space,
        total.cluster_id,
        total.word,
        round(1.0 * total.occurrences / total.in_cluster
            * ln(1.0 + 1.0 * total.in_space / space_size.clusters / total.in_all_clusters), 9) as score
    from __samespace_totals as total
    inner join __samespace_space_sizes as space_size on space_size.space = total.space
),

__samespace_ranked as (
    select
        *,
        row_number() over (partition by space, cluster_id order by score desc, {{ samespace.sort_key('word', 'text') }}) as place
    from __samespace_scored
),

__samespace_terms as (
    select
        space,
        cluster_id,
        string_agg(word, ', ' order by place) as terms
    from __samespace_ranked
    where place <= {{ terms }}
    group by space, cluster_id
),

__samespace_examples as (
    select
        space,
        cluster_id,
        key as example_key,
        row_number() over (
            partition by space, cluster_id
            order by similarity_to_centroid desc, {{ samespace.sort_key('key', info.key_type) }}, {{ samespace.sort_key('model_id', 'text') }}
        ) as place
    from __samespace_members
),

final as (
    select
        size.cluster_id,
        size.size,
        term.terms,
        example.example_key,
        size.model_id
    from __samespace_sizes as size
    inner join __samespace_examples as example
        on example.space = size.space and example.cluster_id = size.cluster_id and example.place = 1
    left join __samespace_terms as term on term.space = size.space and term.cluster_id = size.cluster_id
    union all
    select
        null as cluster_id,
        null as size,
        null as terms,
        null as example_key,
        null as model_id
    from __samespace_guard
    where not passed
)

select * from final
{%- endset %}
    {{ return(sql) }}
{% endmacro %}


{#- SQL of one row, `passed`: stops where the clusters are of a model_id that the relation does not hold, e.g. an earlier one. -#}
{% macro _labels_guard(clusters, info) %}
{% set message = samespace._different_spaces_sql('cluster_labels', 'clusters', 'ids.unknown', "'" ~ info.title ~ "'", 'ids.held') %}
{% set sql %}
select {{ samespace._stop_if([['ids.unknown is not null', message]]) }} as passed
    from (
        select
            (
                select string_agg(distinct member.model_id, ', ')
                from (select * from {{ clusters }}) as member
                where not exists (
                    select 1
                    from (select distinct {{ samespace.exact_text(info.model_id_sql) }} as id from {{ info.sql }}) as known
                    where known.id = {{ samespace.exact_text('member.model_id') }}
                )
            ) as unknown,
            (select string_agg(distinct {{ info.model_id_sql }}, ', ') from {{ info.sql }}) as held
    ) as ids
{%- endset %}
{{ return(sql) }}
{% endmacro %}


{#- English words that say nothing about a topic, as SQL literals. -#}
{% macro _stop_words() %}
    {% set words = (
        'a about after all also am an and any are as at be because been before being but by can could did do does doing don down '
        'for from get give go got had has have having he her here him his how i if im in into is isn it its just like me more most '
        'my need no nor not now of off on once one only or other our out over own please re same she should so some such than that '
        'the their them then there these they this those through to too under up us use ve very want was way we were what when '
        'where which while who why will with would you your'
    ).split() %}
    {% set literals = [] %}
    {% for word in words %}{% do literals.append(samespace.string_literal(word)) %}{% endfor %}
    {{ return(literals | join(', ')) }}
{% endmacro %}

{#-
    SQL: whether nothing is left of a text without white space and zero-width characters. The code points are listed
    (Unicode White_Space, plus zero-width space, joiners and the byte order mark), because engines disagree on \s.
    Only a text that starts with one of them is trimmed: `trim` reads the whole list again for every row.
-#}
{% macro is_blank(text) %}
    {% set points, characters = [], [] %}
    {% for point in [9, 10, 11, 12, 13, 32, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201,
                     8202, 8203, 8204, 8205, 8232, 8233, 8239, 8287, 8288, 12288, 65279] %}
        {% do points.append(point | string) %}
        {% do characters.append('chr(' ~ point ~ ')') %}
    {% endfor %}
    {{ return('(case when ascii(' ~ text ~ ') in (' ~ (points | join(', ')) ~ ') then trim(' ~ text ~ ', '
        ~ (characters | join(' || ')) ~ ") = '' else " ~ text ~ " = '' end)") }}
{% endmacro %}

{#-
    How kernels may use the machine: the var `samespace_kernel`, a mapping of precision (auto, fp32, bf16), memory
    (a size such as '4 GiB') and threads (auto or a number). Results do not depend on it. What is not given is left out:
    samespace/kernels/_settings.py has the defaults.
-#}
{% macro _kernel_settings(macro) %}
    {% set given = var('samespace_kernel', {}) or {} %}
    {% if given is not mapping %}
        {{ samespace._raise(macro, "the var samespace_kernel is '" ~ given ~ "'; expected a mapping, such as {precision: auto, memory: '4 GiB', threads: auto}") }}
    {% endif %}
    {% set unknown = given.keys() | reject('in', ['precision', 'memory', 'threads']) | list %}
    {% set threads, memory = given.get('threads', 'auto'), given.get('memory', '4 GiB') %}
    {% set problems = [] %}
    {% if unknown %}
        {% do problems.append('it has ' ~ (unknown | join(', ')) ~ '; expected precision, memory and threads') %}
    {% endif %}
    {% if given.get('precision', 'auto') not in ['auto', 'fp32', 'bf16'] %}
        {% do problems.append("precision is '" ~ given.precision ~ "'; expected auto, fp32 or bf16") %}
    {% endif %}
    {% if memory is not string or not modules.re.fullmatch('(?=.*[1-9])[0-9]+([.][0-9]+)? *[MGT]i?B', memory) %}
        {% do problems.append("memory is '" ~ memory ~ "'; expected a size such as '4 GiB' or '512 MiB'") %}
    {% endif %}
    {% if threads != 'auto' and (threads is boolean or threads is not integer or threads < 1) %}
        {% do problems.append("threads is '" ~ threads ~ "'; expected auto or a whole number of at least 1") %}
    {% endif %}
    {% if problems %}
        {{ samespace._raise(macro, 'the var samespace_kernel: ' ~ (problems | join('; '))) }}
    {% endif %}
    {{ return(given) }}
{% endmacro %}

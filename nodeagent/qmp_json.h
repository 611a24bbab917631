/* Private to nodeagent/qmp_*.c: the JSON behind qmp_value.h. */
#ifndef TCCP_NODEAGENT_QMP_JSON_H
#define TCCP_NODEAGENT_QMP_JSON_H

#include "nodeagent/qmp_value.h"

#include <jansson.h>

/* NULL when the arguments went bad. */
const json_t *qmp_arguments_json(const struct qmp_arguments *arguments);

#endif

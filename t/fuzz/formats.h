/* t/fuzz/formats.h - whether a text is JSON, XML or OpenMetrics: what a careful reader of each refuses is refused.
 *
 * They know as much of the formats as statistics make use of, and allow no more: JSON without escapes, XML without
 * text between elements, OpenMetrics with one label at most.
 * SPDX-License-Identifier: MIT
 */
#ifndef JSM_FUZZ_FORMATS_H
#define JSM_FUZZ_FORMATS_H

#include <stdbool.h>

/* Each says where the text is wrong, NULL if it is not.  Repeated names are wrong: of members of an object, of
 * attributes, of families and samples. */
const char *json_fault(const char *text);
const char *xml_fault(const char *text);
const char *openmetrics_fault(const char *text);

#endif

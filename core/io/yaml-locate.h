/* yaml-locate.h: where a field stands in a manifest text, so that an error can point at it.
 *
 * A pure function of bytes: any thread. It reads the field's document once more, so a large text
 * belongs on the pool, and whoever asks for many fields bounds them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define YAML_NO_ITEM SIZE_MAX

/* Line and column, both from 1, of a field's key (of a list's item: of its first character). Where the
 * whole path is not there, of the deepest part that is: a missing field is shown at its parent.
 *
 * `document_line` is any line of the document, such as yaml_document's; `item` is one of an unfolded
 * List's, or YAML_NO_ITEM. `field` is a path as an API server writes it, with or without the dot in
 * front: spec.ports[1].nodePort, metadata.labels[app.kubernetes.io/name],
 * .spec.containers[name="web"].image, metadata.finalizers[="a/b"]. What an alias or a merge brings in is
 * found at its anchor. False only where there is no such document or item, or it is no YAML. */
bool yaml_locate(const char *text, size_t len, size_t document_line, size_t item, const char *field,
                 size_t *line, size_t *column);

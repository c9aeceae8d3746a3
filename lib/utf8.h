/* UTF-8, as RFC 3629 has it. */
#ifndef FLORIN_UTF8_H
#define FLORIN_UTF8_H

#include <stddef.h>

/* How many bytes (1 to 4) the character at the beginning of `text` has; 0 when it is none: overlong
 * forms, surrogates and what lies past U+10FFFF are none. Reads no further than the first wrong
 * byte, so a closing NUL is a bound; it counts as a character of one byte. */
size_t florin_utf8_length(const char *text);

#endif

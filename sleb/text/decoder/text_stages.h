// Decoder steps that rewrite characters. Each throws Error(bad_input) for options that are missing or of the wrong
// type.
#pragma once

#include "sleb/text/decoder/token_decoder.h"

namespace sleb {

// The replacement of "Metaspace" becomes a blank; in the first token it goes, unless prepend_scheme is "never".
MakeStage metaspace_stage(const JsonView& component);
// All tokens become one.
MakeStage fuse_stage(const JsonView& component);
// Takes a character off the start and the end of every token, at most so many times.
MakeStage strip_stage(const JsonView& component);
// Puts a text in place of every match of a pattern within a token.
MakeStage replace_stage(const JsonView& component);
// A blank before every token but the first and those that begin with "##", which goes; mends blanks before signs.
MakeStage word_piece_stage(const JsonView& component);
// The suffix that ends words becomes a blank, but for the last token's, where it goes.
MakeStage end_of_word_stage(const JsonView& component);
// Connectionist temporal classification: equal tokens in a row are one, padding goes, the sign between words becomes a
// blank.
MakeStage ctc_stage(const JsonView& component);
// Blanks between the tokens.
MakeStage blanks_between_stage();

}  // namespace sleb

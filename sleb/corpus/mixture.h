// Several texts in the place of one.
#pragma once

#include <vector>

#include "sleb/corpus/corpus.h"

namespace sleb {

// Whole segments of all texts, spread so that any stretch of the mixture has of each text what the whole has of it:
// segment i of a text's n stands at (i + 1/2) / n, of two at one place that of the text named first comes first. A
// race, which judges by a part of the text, judges by every kind of it then. `parts`: of one length of segments, at
// least one text; a single text stays what it is.
Corpus mixed_corpus(std::vector<Corpus> parts);

// The text itself, or of a mixture its parts, where the model writes them.
std::vector<const Corpus*> self_texts_of(const Corpus& text);

}  // namespace sleb

#include "sleb/engine/sweep/dense_states.h"

#include "sleb/engine/sweep/hidden_states.h"

namespace sleb {

DenseStates::DenseStates(const Model& model, const Corpus& corpus, const std::filesystem::path& scratch)
    : states_(std::make_unique<HiddenStates>(StatesShape{corpus.segments, corpus.seqlen, model.spec().hidden_size},
                                             model.compute(), StatesPlace::disk, scratch)) {}
DenseStates::~DenseStates() = default;
DenseStates::DenseStates(DenseStates&&) noexcept = default;

}  // namespace sleb

// Gives back most of what the removal of blocks cost: the matrices by which kept blocks write to the hidden state are
// fitted anew. Behind a removed block the others read a state that they never saw; least squares on a text brings the
// pruned model's own states back towards the dense model's, matrix by matrix. The model's shape and speed stay.
#pragma once

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "sleb/base/progress.h"
#include "sleb/base/scratch_file.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/memory/states_place.h"
#include "sleb/engine/model.h"
#include "sleb/engine/plans/plan.h"

namespace sleb {

struct RepairOptions {
  std::vector<int64_t> removal_list;  // original indices, any order
  // The type in which a tensor is going to be written: the pruned model goes on with what is rounded to it.
  std::function<StoredType(const std::string& tensor)> type_of;
  std::filesystem::path scratch;  // folder for files without a name: changed tensors, and states on the disk
  StatesPlace states_place = StatesPlace::memory;
};

// How far the pruned model's hidden states are from the dense model's after a half of a block: the root of the mean
// over tokens of |dense - pruned|^2 / |dense|^2, a segment's first token left out.
struct StateError {
  double before;  // with the half's own matrix
  double after;   // with the repaired one; the same where nothing was changed
};

// Of a block's experts, each of which is fitted to the tokens that chose it.
struct RepairedExperts {
  std::vector<std::optional<double>> ridges;  // [experts], as RepairedMatrix::ridge
  // Of the expert that all tokens go through; nothing where there is none.
  std::optional<std::optional<double>> shared_ridge;
  std::vector<int64_t> left;  // ascending: reached by fewer than
  int64_t least_tokens = 0;   // so many of the fitted tokens, and therefore not fitted

  // The one for all tokens counted.
  int64_t count() const { return std::ssize(ridges) + (shared_ridge ? 1 : 0); }
  int64_t changed() const {
    const auto own = std::ranges::count_if(ridges, [](const auto& ridge) { return ridge.has_value(); });
    return own + (shared_ridge && *shared_ridge ? 1 : 0);
  }
};

struct RepairedMatrix {
  Unit unit;  // of a parallel residual the attention's: both matrices together
  std::optional<double>
      ridge;            // that was best on the segments held out; nothing: none helped there, nothing is changed
  StateError fitted;    // on the segments that the change was fitted to
  StateError held_out;  // on those that only chose the ridge
  std::optional<RepairedExperts> experts = {};  // of a mixture, in the place of the ridge

  bool is_changed() const { return ridge || (experts && experts->changed() > 0); }
};

struct ChangedTensor {
  std::string name;  // Checkpoint's, with its ending
  StoredType type;
  ScratchFile data;
};

struct Repair {  // NOLINT(bugprone-exception-escape): a moved ScratchFile throws nothing
  int64_t fitted_segments = 0;
  int64_t held_out_segments = 0;
  std::vector<RepairedMatrix> matrices;
  std::vector<ChangedTensor> tensors;

  // Puts the changed tensors in the place of the checkpoint's own, which must not outlive this.
  void apply_to(Checkpoint& checkpoint) const;
};

// The columns of the widest matrix (of a parallel residual of both together) that are fitted at once.
int64_t widest_fit(const ModelSpec& spec);
// Of so many segments those that are held out of the fits.
int64_t held_out_segments(int64_t segments);
// Tokens with which a fit is worth while, and with fewer than which none is tried.
int64_t default_repair_tokens(const ModelSpec& spec);
int64_t least_repair_tokens(const ModelSpec& spec);
// Those that have to reach an expert among the fitted segments, their first tokens left out.
int64_t least_expert_tokens(const ModelSpec& spec);

// Before any work, whatever is removed. Throws Error(bad_input), beginning with `label`, for a model whose blocks norm
// the sum of their input and output (post-norm), and weights of 8-bit floats that stay what they are.
void check_repairable(const Checkpoint& checkpoint, const RepairOptions& options, const std::string& label);
// Why a repair of a model without these blocks would change nothing; empty: something is kept behind the first of them.
std::string nothing_to_repair(const std::vector<int64_t>& removal_list, int64_t num_blocks);
// Of texts that are going to be joined, all of one segment's length. Throws Error(bad_input) for too few tokens, less
// than four segments, and ids outside the vocabulary.
void check_repair_text(const ModelSpec& spec, std::span<const Corpus> texts);

// Floating-point operations of a repair, as operations_of counts them; the list is not empty.
double repair_operations(const ModelSpec& spec, const std::vector<int64_t>& removal_list, int64_t seqlen,
                         int64_t tokens);

// Block by block from the first removed one on. With X the dense model's hidden states, Z the pruned model's own, h
// what a kept half's output matrix is multiplied with in the pruned model, and r = X - Z after that half, both weighted
// by 1 / |X|, each segment's first token left out: D minimizes |r - s D h|^2 + ridge * mean(h^2) * |D|^2 (s: the
// model's residual scale; output_terms.h says what becomes of it where a norm is behind the matrix), is added to the
// matrix, and the pruned model goes on from there. An eighth of the segments, at least two, evenly spread, is held out
// of each fit; the ridge is the one that is best there, and where none is better than none nothing is changed. The
// experts of a mixture are fitted one after the other, each on the tokens that chose it (mixture_fit.h). The same
// model, text and device give the same bits. Throws Interrupted; Error(failed) if the device or the disk fails.
Repair repair(const Model& model, const Corpus& text, const RepairOptions& options, Progress& progress);

}  // namespace sleb

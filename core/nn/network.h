// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Network: the forward pass of an opened model. Immutable and shared between threads; weights are read block by block and
// expert by expert, so memory is bounded by one block (without its experts, but one of them) in f32 and the activations
// of the sequences that run.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/nn/attention.h"
#include "core/nn/networkconfig.h"
#include "core/nn/weightreader.h"

#include <memory>
#include <span>

namespace ql {

/// One matrix that is multiplied with, in the order in which the network runs. (The two small projections of OPT-350m
/// belong to embedding and head, and are none.)
struct LinearSite {
    int tensor = -1; ///< index into Model::tensors(): the weight
    int layer = -1;  ///< -1 for the output head
    TensorRole role = TensorRole::Other;
    int input = -1;  ///< index into Network::inputs()
    int64_t rows = 0, cols = 0; ///< output and input channels
    int expert = -1;      ///< whose matrix it is; -1 outside the experts
    int64_t firstRow = 0; ///< in the tensor, which may hold the matrices of all experts
};

/// What enters one or several linear layers (q, k and v share theirs). Into an expert goes what was sent to it.
struct LinearInput {
    int layer = -1;
    int64_t channels = 0;
    std::vector<int> sites; ///< indices into Network::sites()
    int expert = -1;
};

using TokenIds = std::vector<int32_t>;

struct TokenPlace {
    int sequence = 0;
    int64_t position = 0;
};

/// The rows of a matrix that a hook sees: consecutive tokens of one sequence, or, before an expert, the tokens that were
/// sent to it, of any sequences.
struct TokenRange {
    int sequence = 0; ///< with `places`: of the first row, as `first`
    int64_t first = 0, count = 0;
    std::span<const TokenPlace> places{}; ///< one per row, by sequence and position; empty for consecutive tokens
};

/// Watches or changes what flows. Called on the thread that runs the network, never concurrently.
class NetworkHooks
{
public:
    virtual ~NetworkHooks() = default;
    /// `x` (tokens x channels) is about to enter the linears of `input`; they see what is left in it.
    virtual Status linearInput(int /*input*/, const TokenRange&, RowMatrix& /*x*/) { return {}; }
    /// May compute the attention of one sequence itself (true, `output` filled) in place of attend().
    virtual Result<bool> attention(int /*layer*/, const TokenRange&, const AttentionInput&, RowMatrix& /*output*/)
    {
        return false;
    }
};

class Network
{
public:
    /// Unsupported or ConfigInvalid as NetworkConfig::of; NoSuchTensor naming a weight that the family needs.
    static Result<std::shared_ptr<const Network>> create(std::shared_ptr<const Model> model);
    virtual ~Network() = default;

    virtual const std::shared_ptr<const Model>& model() const = 0;
    virtual const NetworkConfig& config() const = 0;
    virtual const std::vector<LinearSite>& sites() const = 0;
    virtual const std::vector<LinearInput>& inputs() const = 0;
    int siteOfTensor(int tensor) const; ///< the first of them; -1 when it is not multiplied with
    /// The values as stored in the model; read on all threads of `pool` if there is one, given up with Cancelled on a
    /// stop request. The pool must outlive the reader.
    WeightReader storedWeights(ThreadPool* pool = nullptr, std::stop_token stop = {}) const;

    /// f32 weights of one part of the network, in the orientation and order that the arithmetic wants.
    class Weights
    {
    public:
        virtual ~Weights() = default;
    };
    using WeightsPtr = std::unique_ptr<Weights>;
    /// Experts are read while the block runs, each when its tokens are due: `reader` is kept.
    virtual Result<WeightsPtr> loadBlock(int layer, const WeightReader& reader) const = 0;
    /// Reads one linear of a loaded block anew (another scheme, or the original back), and with an expert's all that share
    /// its tensor. `site` must belong to it. For experts `reader` is kept.
    virtual Status reload(Weights& block, int site, const WeightReader& reader) const = 0;
    /// Embeds `ids`: tokens x hidden. Only the rows that occur are kept in memory (and, of stored weights, read).
    /// InvalidArgument for an id outside the vocabulary, ContextTooLong for more tokens than learned positions.
    virtual Result<std::vector<RowMatrix>> embed(std::span<const TokenIds> sequences, const WeightReader& reader,
                                                 const JobControl& job) const = 0;
    /// Runs the block on every sequence in place. Polls job.stop at every slab of work; progress is the caller's. After an
    /// error the hidden states are unfinished.
    virtual Status runBlock(int layer, const Weights& block, std::vector<RowMatrix>& hidden, ThreadPool& pool,
                            NetworkHooks* hooks, const JobControl& job) const = 0;
    /// Final norm and output head. For encoders: the last hidden states; logits() then fails with Unsupported.
    virtual Result<WeightsPtr> loadHead(const WeightReader& reader) const = 0;
    /// `hidden` (rows of one sequence, after the last block) to rows x vocabulary.
    virtual Status logits(const Weights& head, const TokenRange& tokens, const RowMatrix& hidden, RowMatrix& out,
                          ThreadPool& pool, NetworkHooks* hooks) const = 0;
};

/// Everything at once, for tests and small models: embeds, runs all blocks, and gives logits (decoders) or last hidden
/// states (encoders) of one sequence. Reports blocks done.
Result<RowMatrix> forward(const Network& network, const TokenIds& ids, ThreadPool& pool, NetworkHooks* hooks = nullptr,
                          const JobControl& job = {});

} // namespace ql

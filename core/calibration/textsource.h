// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Sequences of token ids for calibration and evaluation: from text, JSONL, or ids given directly. Stateless.
#pragma once

#include "core/base/jobcontrol.h"
#include "core/nn/network.h"
#include "core/tokenizer/tokenizer.h"

#include <string>
#include <vector>

namespace ql {

struct SequenceSettings {
    /// .jsonl ("text" field per line, an empty line between them), .json (a list of token ids, or of lists that are
    /// sequences as they stand), .ids (token ids between blanks), anything else text in UTF-8.
    std::string path;
    int64_t length = 512;///< tokens per sequence; the model's context is the limit (ContextTooLong)
    int64_t count = 64;  ///< at most this many sequences; 0: all of the text
    uint64_t seed = 0;   ///< 0: consecutive windows from the start; else windows drawn at random without overlap
    bool addBegin = true;///< sequences of text begin with the tokenizer's beginning-of-text token, where it has one
    friend bool operator==(const SequenceSettings&, const SequenceSettings&) = default;
};

struct SequenceSet {
    std::vector<TokenIds> sequences;
    std::string source; ///< file name and SHA-256 prefix of what was read of it, for provenance
    SequenceSettings settings;
    uint64_t tokens() const;
};

/// EmptyText, InvalidUtf8 (naming the byte), ContextTooLong, JSON errors with the line, InvalidArgument for ids outside
/// the vocabulary and for texts too short for one sequence, TokenizerMissing. `tokenizer` may be null for files of ids.
/// Of a large file only as much is read as the sequences need; random windows come from its first 8 MiB, or 32 bytes for
/// every token wanted if that is more. Files to be used whole (`count` 0) may have 256 MiB, JSON files 64 MiB.
Result<SequenceSet> loadSequences(const SequenceSettings& settings, const NetworkConfig& config,
                                  const Tokenizer* tokenizer);

} // namespace ql

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
    std::string path;    ///< .txt (UTF-8), .jsonl ("text" field per line), .json or .ids (lists of token ids)
    int64_t length = 512;///< tokens per sequence; the model's context is the limit (ContextTooLong)
    int64_t count = 64;  ///< at most this many sequences; 0: all of the text
    uint64_t seed = 0;   ///< 0: consecutive windows from the start; else windows drawn at random without overlap
    bool addBegin = true;///< every sequence begins with the tokenizer's beginning-of-text token, where it has one
};

struct SequenceSet {
    std::vector<TokenIds> sequences;
    std::string source; ///< file name and SHA-256 prefix of its text, for provenance
    SequenceSettings settings;
    uint64_t tokens() const;
};

/// EmptyText, InvalidUtf8 (naming the byte), ContextTooLong, JSON errors with the line, InvalidArgument for ids outside
/// the vocabulary. `tokenizer` may be null for files of ids.
Result<SequenceSet> loadSequences(const SequenceSettings& settings, const NetworkConfig& config,
                                  const Tokenizer* tokenizer);

} // namespace ql

// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// Vocabularies of GGUF files: byte-level BPE ("gpt2").
#include "core/base/utf8.h"
#include "core/tokenizer/decoders.h"
#include "core/tokenizer/pipeline.h"
#include "core/tokenizer/pretokenizers.h"
#include "core/tokenizer/readers.h"

namespace ql::tok {

Result<std::shared_ptr<const Tokenizer>> readTokenizerGguf(const GgufFile& file)
{
    const auto model = file.text("tokenizer.ggml.model");
    if (!model)
        return Error{ErrorCode::TokenizerMissing, "the file has no vocabulary (tokenizer.ggml.model)", file.source->name()};
    return Error{ErrorCode::TokenizerUnsupported, "the vocabulary \"" + printable(*model) + "\" is not known", file.source->name()};
}

} // namespace ql::tok

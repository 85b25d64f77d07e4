// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/sequences.h"

#include "app/resources.h"

#include <algorithm>

namespace ql::cli {

Result<SequenceSet> sequencesFor(const Network& network, SequenceSettings settings, const char* bundled)
{
    constexpr int64_t kUsualLength = 512;
    const int64_t context = network.config().context;
    if (settings.length == 0)
        settings.length = context > 0 ? std::min(kUsualLength, context) : kUsualLength;
    if (settings.path.empty()) {
        QL_TRY(settings.path, resourcePath(bundled));
    }
    // Files of ids need no tokenizer, so a model without one is no reason to fail yet.
    const auto tokenizer = Tokenizer::of(*network.model());
    const bool ids = settings.path.ends_with(".ids") || settings.path.ends_with(".json");
    if (!tokenizer.ok() && !ids)
        return tokenizer.error();
    return loadSequences(settings, network.config(), tokenizer.ok() ? tokenizer->get() : nullptr);
}

} // namespace ql::cli

// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// KvStrip: the controls of one cache scheme in two rows. What makes no sense is disabled and says why.
#pragma once

#include "core/quant/kvscheme.h"

#include <QWidget>

#include <memory>
#include <optional>

namespace ql {

class KvStrip : public QWidget
{
    Q_OBJECT
public:
    explicit KvStrip(QWidget* parent = nullptr);
    ~KvStrip() override;

    void setScheme(const std::optional<KvScheme>& scheme); ///< nothing: kept in full precision. Emits nothing
    const std::optional<KvScheme>& scheme() const;
    void setHeadDim(int headDim); ///< for the bits per element

Q_SIGNALS:
    /// Numbers arrive once they have stood still.
    void edited(const std::optional<ql::KvScheme>& scheme);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql

// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// ActivationStrip: the controls of one activation scheme in two rows. What makes no sense is disabled and says why.
#pragma once

#include "core/quant/activationscheme.h"

#include <QWidget>

#include <memory>
#include <optional>

namespace ql {

class ActivationStrip : public QWidget
{
    Q_OBJECT
public:
    explicit ActivationStrip(QWidget* parent = nullptr);
    ~ActivationStrip() override;

    void setScheme(const std::optional<ActivationScheme>& scheme); ///< nothing: full precision. Emits nothing
    const std::optional<ActivationScheme>& scheme() const;
    /// Why static ranges cannot be had ("no calibration yet"); empty: they can.
    void setStaticObstacle(const QString& why);

Q_SIGNALS:
    /// `finished` is false while a spin box is still moving.
    void edited(const std::optional<ql::ActivationScheme>& scheme, bool finished);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql

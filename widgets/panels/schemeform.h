// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SchemeForm: the controls of one scheme, made from the scheme table and the clip methods. Fields may be mixed.
#pragma once

#include "widgets/models/schemeedit.h"

#include <QWidget>

#include <memory>

namespace ql {

class SchemeForm : public QWidget
{
    Q_OBJECT
public:
    explicit SchemeForm(QWidget* parent = nullptr);
    ~SchemeForm() override;

    /// Shows `scheme`; `mixed` fields show "mixed" until they are edited. Emits nothing.
    void setScheme(const Scheme& scheme, SchemeFields mixed);
    const Scheme& scheme() const;
    /// Whether clipping by the output error can be chosen; if not, why. Without a call it cannot.
    void setOutputClip(bool possible, const QString& why);

Q_SIGNALS:
    /// The user changed `field`. `finished` is false while a slider or spin box is still moving.
    void edited(ql::SchemeField field, bool finished);

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql

// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// DefaultsForm: what holds where no rule decides: the default scheme, how many tensors it, overrides and neither decide,
// and whether matrices that run as one share a scheme. GUI thread.
#pragma once

#include "core/quant/scheme.h"
#include "widgets/theme.h"

#include <QWidget>

class QCheckBox;
class QLabel;
class QLineEdit;

namespace ql {

class DefaultsForm : public QWidget
{
    Q_OBJECT
public:
    /// Tensors that no rule decides.
    enum Listing { ByDefault, Overridden, Kept };
    struct Counts {
        size_t byDefault = 0, overridden = 0, locked = 0, kept = 0;
    };

    explicit DefaultsForm(QWidget* parent = nullptr);

    void setDefaults(const Scheme& scheme, bool share);
    void setCounts(const Counts& counts);
    void clearCounts();

Q_SIGNALS:
    void schemeEdited(const ql::Scheme& scheme);
    void shareToggled(bool share);
    void listingWanted(ql::DefaultsForm::Listing listing);

protected:
    void changeEvent(QEvent* event) override;

private:
    void edit();
    void showNote(const QString& text, Ink ink);

    QLineEdit* m_line;
    QLabel* m_note;
    QCheckBox* m_share;
    Ink m_ink = Ink::Muted;
    Scheme m_scheme;
    QString m_counts;
};

} // namespace ql

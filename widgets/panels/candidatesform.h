// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// CandidatesForm: which schemes a budget search may choose from - formats crossed with group sizes and clip methods, and
// schemes of one's own as text. GUI thread.
#pragma once

#include "core/quant/scheme.h"

#include <QWidget>

#include <memory>
#include <vector>

namespace ql {

class CandidatesForm : public QWidget
{
    Q_OBJECT
public:
    explicit CandidatesForm(QWidget* parent = nullptr);
    ~CandidatesForm() override;

    /// Every checked format with every checked group size and clip method, then one's own. Errors of parseCandidates
    /// and crossCandidates; EmptySelection when nothing is chosen.
    Result<std::vector<Scheme>> candidates() const;
    bool embeddings() const; ///< searched too
    void setDefaults();
    /// Clipping by output error needs a calibration; empty: there is one.
    void setNoOutputClip(const QString& why);

    void setFormatChecked(Format format, bool checked);
    void setOwnSchemes(const QString& text); ///< "int8,channel; int4,group=16,asym"

Q_SIGNALS:
    void changed();

protected:
    void changeEvent(QEvent* event) override;

private:
    struct Private;
    std::unique_ptr<Private> d;
};

} // namespace ql

// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
// SequenceForm: which text the model reads, and how it is cut into sequences; shared by calibration and evaluation.
#pragma once

#include "core/calibration/textsource.h"

#include <QWidget>

class QCheckBox;
class QLineEdit;
class QSpinBox;

namespace ql {

class SequenceForm : public QWidget
{
    Q_OBJECT
public:
    explicit SequenceForm(QWidget* parent = nullptr);

    /// What the form starts with and goes back to: its path is the bundled text. `context` limits the length.
    void setDefaults(const SequenceSettings& defaults, int64_t context);
    SequenceSettings settings() const;
    void setSettings(const SequenceSettings& settings);

private:
    void browse();

    SequenceSettings m_defaults;
    QLineEdit* m_path;
    QSpinBox *m_length, *m_count, *m_seed;
};

} // namespace ql

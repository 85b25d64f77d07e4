// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/activationinvitation.h"

#include "widgets/panels/activationspage.h"
#include "widgets/theme.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPushButton>
#include <QVBoxLayout>

namespace ql {

ActivationInvitation::ActivationInvitation(QWidget* parent)
    : QWidget(parent)
    , m_title(new QLabel(this))
    , m_text(new QLabel(this))
    , m_calibrate(new QPushButton(theme::icon("flask"), tr("Calibrate"), this))
    , m_import(new QPushButton(theme::icon("open"), tr("Import…"), this))
{
    QFont font = m_title->font();
    font.setPointSizeF(font.pointSizeF() * 1.2);
    m_title->setFont(font);
    m_calibrate->setToolTip(tr("Run the model on a text and watch what flows into every layer."));
    m_import->setToolTip(tr("Open a calibration file, an importance matrix (GGUF, .dat) or an activation dump "
                            "(safetensors, NPY, NPZ)."));
    for (QLabel* label : {m_title, m_text}) {
        label->setAlignment(Qt::AlignCenter);
        label->setWordWrap(true);
        label->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    }
    auto* buttons = new QHBoxLayout;
    buttons->setSpacing(theme::kSpacing);
    buttons->addStretch();
    buttons->addWidget(m_calibrate);
    buttons->addWidget(m_import);
    buttons->addStretch();
    auto* layout = new QVBoxLayout(this);
    layout->setContentsMargins(8 * theme::kSpacing, theme::kSpacing, 8 * theme::kSpacing, theme::kSpacing);
    layout->setSpacing(2 * theme::kSpacing);
    layout->addStretch(2);
    layout->addWidget(m_title);
    layout->addWidget(m_text);
    layout->addLayout(buttons);
    layout->addStretch(3);
    connect(m_calibrate, &QPushButton::clicked, this, &ActivationInvitation::calibrateWanted);
    connect(m_import, &QPushButton::clicked, this, &ActivationInvitation::importWanted);
}

void ActivationInvitation::setState(CalibrationState state, const QString& detail)
{
    QString title, text;
    switch (state) {
    case CalibrationState::NoModel:
        title = tr("No model is open");
        text = tr("Open a model and calibrate it: what flows into each of its layers appears here.");
        break;
    case CalibrationState::CannotRun:
        title = tr("This model cannot be run here");
        text = tr("%1. Import an importance matrix or an activation dump that another program made.").arg(detail);
        break;
    case CalibrationState::Missing:
        title = tr("Nothing is known of the activations yet");
        text = tr("Calibrate to run the model on a text and see the histogram, the channels and the tokens of every "
                  "layer's input, or import what another program measured.");
        break;
    case CalibrationState::Running:
        title = tr("Calibrating…");
        text = detail.isEmpty() ? tr("The model reads the calibration text; the status bar shows how far it is.") : detail;
        break;
    case CalibrationState::NotAnInput:
        title = tr("No activations belong to this tensor");
        text = tr("Only the weights of linear layers multiply an input. Select one of them, a projection for example.");
        break;
    case CalibrationState::NotCovered:
        title = tr("The calibration does not know this input");
        text = detail.isEmpty() ? tr("Calibrate again to measure it, or import a file that has it.") : detail;
        break;
    case CalibrationState::Ready:
        break;
    }
    m_title->setText(title);
    m_text->setText(text);
    const bool helps = state == CalibrationState::Missing || state == CalibrationState::NotCovered;
    m_calibrate->setVisible(helps || state == CalibrationState::CannotRun);
    m_calibrate->setEnabled(helps);
    m_calibrate->setToolTip(helps ? tr("Run the model on a text and watch what flows into every layer.") : detail);
    m_import->setVisible(helps || state == CalibrationState::CannotRun);
}

} // namespace ql

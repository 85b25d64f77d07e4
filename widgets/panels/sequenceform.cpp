// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/sequenceform.h"

#include "widgets/theme.h"

#include <QFileDialog>
#include <QFileInfo>
#include <QGridLayout>
#include <QLabel>
#include <QLineEdit>
#include <QSpinBox>
#include <QToolButton>

#include <algorithm>

namespace ql {
namespace {

constexpr int kShortest = 8;   ///< tokens; less says nothing about a model
constexpr int kMostCounted = 9999999; ///< sequences, and seeds

QSpinBox* number(int lowest, int highest, const QString& name, const QString& tip)
{
    auto* box = new QSpinBox;
    box->setRange(lowest, highest);
    box->setLocale(QLocale::c());
    box->setAccelerated(true);
    box->setMinimumWidth(box->fontMetrics().horizontalAdvance('0') * 10); // docks are narrow
    box->setAccessibleName(name);
    box->setToolTip(tip);
    return box;
}

} // namespace

SequenceForm::SequenceForm(QWidget* parent)
    : QWidget(parent), m_path(new QLineEdit(this)),
      m_length(number(kShortest, 1 << 24, tr("Sequence length"),
                      tr("Tokens per sequence; at most the context that the model was made for"))),
      m_count(number(0, kMostCounted, tr("Number of sequences"),
                     tr("At most this many sequences; 0 takes all of the text"))),
      m_seed(number(0, kMostCounted, tr("Seed"),
                    tr("0: consecutive windows from the start of the text; else windows drawn at random, without overlap, "
                       "by this seed")))
{
    m_path->setPlaceholderText(tr("bundled text"));
    m_path->setClearButtonEnabled(true);
    m_path->setAccessibleName(tr("Text file"));
    m_path->setToolTip(tr("UTF-8 text (.txt), one JSON object with “text” per line (.jsonl), or lists of token ids (.json, "
                          ".ids); empty: the text that comes with the program"));
    m_count->setSpecialValueText(tr("all"));
    m_seed->setSpecialValueText(tr("in order"));
    auto* choose = new QToolButton(this);
    choose->setIcon(theme::icon(QStringLiteral("open")));
    choose->setToolTip(tr("Choose a text file"));
    choose->setAccessibleName(choose->toolTip());
    choose->setFocusPolicy(Qt::StrongFocus);
    connect(choose, &QToolButton::clicked, this, &SequenceForm::browse);

    auto* grid = new QGridLayout(this);
    grid->setContentsMargins(0, 0, 0, 0);
    grid->setHorizontalSpacing(theme::kSpacing);
    grid->setVerticalSpacing(theme::kSpacing / 2);
    const auto label = [this](const QString& text, QWidget* buddy) {
        auto* made = new QLabel(text, this);
        made->setBuddy(buddy);
        made->setToolTip(buddy->toolTip());
        return made;
    };
    grid->addWidget(label(tr("Text"), m_path), 0, 0);
    grid->addWidget(m_path, 0, 1, 1, 3);
    grid->addWidget(choose, 0, 4);
    grid->addWidget(label(tr("Length"), m_length), 1, 0);
    grid->addWidget(m_length, 1, 1);
    grid->addWidget(label(tr("Count"), m_count), 1, 2);
    grid->addWidget(m_count, 1, 3, 1, 2);
    grid->addWidget(label(tr("Windows"), m_seed), 2, 0);
    grid->addWidget(m_seed, 2, 1);
    grid->setColumnStretch(1, 1);
    grid->setColumnStretch(3, 1);
}

void SequenceForm::setDefaults(const SequenceSettings& defaults, int64_t context)
{
    m_defaults = defaults;
    const int64_t most = context > 0 ? context : m_length->maximum();
    m_length->setMaximum(int(std::clamp<int64_t>(most, kShortest, 1 << 24)));
    setSettings(defaults);
}

SequenceSettings SequenceForm::settings() const
{
    SequenceSettings settings = m_defaults;
    if (const QString path = m_path->text().trimmed(); !path.isEmpty())
        settings.path = path.toStdString();
    settings.length = m_length->value();
    settings.count = m_count->value();
    settings.seed = uint64_t(m_seed->value());
    return settings;
}

void SequenceForm::setSettings(const SequenceSettings& settings)
{
    m_path->setText(settings.path == m_defaults.path ? QString() : QString::fromStdString(settings.path));
    m_length->setValue(int(std::min<int64_t>(settings.length, m_length->maximum())));
    m_count->setValue(int(std::min<int64_t>(settings.count, m_count->maximum())));
    m_seed->setValue(int(std::min<uint64_t>(settings.seed, uint64_t(m_seed->maximum()))));
}

void SequenceForm::browse()
{
    const QString path = QFileDialog::getOpenFileName(this, tr("Choose a text"), QFileInfo(m_path->text()).path(),
                                                      tr("Text, JSONL, token ids (*.txt *.jsonl *.json *.ids);;All files (*)"));
    if (!path.isEmpty())
        m_path->setText(path);
}

} // namespace ql
